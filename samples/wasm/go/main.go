// A tool in Go: roman.numeral, as a core module made by TinyGo (docs/wasm-tools.md has the ABI).
//
//	tinygo build -o roman.wasm -target=wasm-unknown -no-debug .
package main

import "unsafe"

const listing = `{"tools":[{"name":"numeral","description":"A whole number from 1 to 3999 in Roman numerals.",` +
	`"inputSchema":{"type":"object","properties":{"number":{"type":"integer","minimum":1,"maximum":3999}},"required":["number"]}}]}`

var (
	values  = []int{1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1}
	letters = []string{"M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"}
	given   []byte
	answer  string
)

func place(text string, isError bool) uint64 {
	at, length := uint64(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint64(len(text))
	if isError {
		length |= 1 << 31
	}
	return at<<32 | length
}

//go:wasmexport kgents_alloc
func alloc(length uint32) uint32 {
	given = make([]byte, length+1)
	return uint32(uintptr(unsafe.Pointer(&given[0])))
}

//go:wasmexport kgents_list
func list() uint64 { return place(listing, false) }

//go:wasmexport kgents_call
func call(tool, at, length uint32) uint64 {
	number := 0
	for _, char := range given[:length] {
		if char >= '0' && char <= '9' && number < 4000 {
			number = number*10 + int(char-'0')
		}
	}
	if number < 1 || number > 3999 {
		return place("Only 1 to 3999 can be written in Roman numerals.", true)
	}
	answer = ""
	for index, value := range values {
		for number >= value {
			answer += letters[index]
			number -= value
		}
	}
	return place(answer, false)
}

func main() {}

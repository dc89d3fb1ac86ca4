;; Two tools by hand, over the ABI of core modules (docs/wasm-tools.md): arithmetic.sum and arithmetic.product.
;;
;; Memory: the listing at 64, the sentence for calls without numbers at 960, the answer's digits before 1024,
;; arguments from 1024. Each call gets a fresh instance, so nothing needs to be freed.
(module
  (memory (export "memory") 1)

  (data (i32.const 64) "{\"tools\":[{\"name\":\"sum\",\"description\":\"The sum of whole numbers, of 64 bits.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"numbers\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},\"required\":[\"numbers\"]}},{\"name\":\"product\",\"description\":\"The product of whole numbers, of 64 bits.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"numbers\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},\"required\":[\"numbers\"]}}]}")
  (data (i32.const 960) "There are no numbers.")

  ;; Where `length` bytes of arguments go.
  (func (export "kgents_alloc") (param $length i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $length) (i32.const 66559)) (i32.const 16)))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const -1))
          (then (unreachable)))))
    (i32.const 1024))

  ;; A place in memory: the address in the upper half, the length in the lower.
  (func $place (param $at i32) (param $length i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))
      (i64.extend_i32_u (local.get $length))))

  (func (export "kgents_list") (result i64)
    (call $place (i32.const 64) (i32.const 405)))

  ;; Tool 0 adds, tool 1 multiplies, every number that stands in the arguments.
  (func (export "kgents_call") (param $tool i32) (param $at i32) (param $length i32) (result i64)
    (local $end i32) (local $byte i32) (local $found i32) (local $reading i32) (local $negative i32)
    (local $number i64) (local $total i64)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (local.set $total (i64.extend_i32_u (local.get $tool)))
    (loop $next
      (local.set $byte
        (if (result i32) (i32.lt_u (local.get $at) (local.get $end))
          (then (i32.load8_u (local.get $at)))
          (else (i32.const 0))))
      (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 48)) (i32.const 10))
        (then
          (local.set $reading (i32.const 1))
          (local.set $number
            (i64.add
              (i64.mul (local.get $number) (i64.const 10))
              (i64.extend_i32_u (i32.sub (local.get $byte) (i32.const 48))))))
        (else
          (if (local.get $reading)
            (then
              (if (local.get $negative)
                (then (local.set $number (i64.sub (i64.const 0) (local.get $number)))))
              (local.set $total
                (if (result i64) (local.get $tool)
                  (then (i64.mul (local.get $total) (local.get $number)))
                  (else (i64.add (local.get $total) (local.get $number)))))
              (local.set $found (i32.const 1))))
          (local.set $reading (i32.const 0))
          (local.set $number (i64.const 0))
          (local.set $negative (i32.eq (local.get $byte) (i32.const 45)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.le_u (local.get $at) (local.get $end))))
    (if (result i64) (local.get $found)
      (then (call $decimal (local.get $total)))
      ;; The highest bit of the length says that the text is an error.
      (else (i64.or (call $place (i32.const 960) (i32.const 21)) (i64.const 0x80000000)))))

  ;; A number in digits, written backwards from 1024.
  (func $decimal (param $value i64) (result i64)
    (local $at i32) (local $rest i64)
    (local.set $at (i32.const 1024))
    (local.set $rest
      (if (result i64) (i64.lt_s (local.get $value) (i64.const 0))
        (then (i64.sub (i64.const 0) (local.get $value)))
        (else (local.get $value))))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $rest) (i64.const 10)))))
      (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $rest) (i64.const 0))))
    (if (i64.lt_s (local.get $value) (i64.const 0))
      (then
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.const 45))))
    (call $place (local.get $at) (i32.sub (i32.const 1024) (local.get $at)))))

;; A component by hand whose tools ask for what is outside; the first letter of a tool's name says for what.
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (export "now" (func (result u64)))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type (sub resource)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))
  (import "wasi:io/error@0.2.0" (instance $errors
    (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $error (type $failed))
    (type $fault (variant (case "last-operation-failed" (own $failed)) (case "closed")))
    (export "stream-error" (type $named (eq $fault)))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $named)))))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (export "get-stdout" (func (result (own $stream))))))
  (import "wasi:sockets/instance-network@0.2.0" (instance $network
    (export "instance-network" (func (result u32)))))

  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 16384))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $random (canon lower (func $random "get-random-bytes")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $now (canon lower (func $clock "now")))
  (core func $environment (canon lower (func $environment "get-environment")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $directories (canon lower (func $preopens "get-directories")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory (core memory $libc "memory"))))
  (core func $network (canon lower (func $network "instance-network")))

  (core module $main
    (import "libc" "memory" (memory 1))
    (import "outside" "random" (func $random (param i64 i32)))
    (import "outside" "now" (func $now (result i64)))
    (import "outside" "environment" (func $environment (param i32)))
    (import "outside" "directories" (func $directories (param i32)))
    (import "outside" "stdout" (func $stdout (result i32)))
    (import "outside" "write" (func $write (param i32 i32 i32 i32)))
    (import "outside" "network" (func $network (result i32)))
    (data (i32.const 256) "done")
    (data (i32.const 264) "a line for nobody\n")
    (data (i32.const 1024) "RECORDS")
    (func (export "list") (result i32)
      (i32.store (i32.const 512) (i32.const 1024))
      (i32.store (i32.const 516) (i32.const COUNT))
      (i32.const 512))
    (func $answer (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 528) (i32.const 0))
      (i32.store (i32.const 532) (local.get $at))
      (i32.store (i32.const 536) (local.get $length))
      (i32.const 528))
    (func (export "call") (param $name i32) (param i32 i32 i32) (result i32)
      (local $letter i32)
      (local.set $letter (i32.load8_u (local.get $name)))
      (if (i32.eq (local.get $letter) (i32.const 114)) ;; r: 16 random bytes
        (then (call $random (i64.const 16) (i32.const 600)) (return (call $answer (i32.load (i32.const 600)) (i32.const 0)))))
      (if (i32.eq (local.get $letter) (i32.const 104)) ;; h: a hundred billion of them
        (then (call $random (i64.const 100000000000) (i32.const 600))))
      (if (i32.eq (local.get $letter) (i32.const 110)) ;; n: what time it is
        (then (drop (call $now))))
      (if (i32.eq (local.get $letter) (i32.const 101)) ;; e: the first variable's value, where there is one
        (then
          (call $environment (i32.const 600))
          (if (i32.load (i32.const 604))
            (then
              (return (call $answer
                (i32.load offset=8 (i32.load (i32.const 600)))
                (i32.load offset=12 (i32.load (i32.const 600)))))))))
      (if (i32.eq (local.get $letter) (i32.const 100)) ;; d: fails where it has any directory
        (then (call $directories (i32.const 600)) (if (i32.load (i32.const 604)) (then (unreachable)))))
      (if (i32.eq (local.get $letter) (i32.const 119)) ;; w: writes a line and fails
        (then (call $write (call $stdout) (i32.const 264) (i32.const 17) (i32.const 600)) (unreachable)))
      (if (i32.eq (local.get $letter) (i32.const 102)) ;; f: writes all of its memory at once
        (then
          (drop (memory.grow (i32.const 900)))
          (call $write (call $stdout) (i32.const 0) (i32.mul (memory.size) (i32.const 65536)) (i32.const 600))))
      (if (i32.eq (local.get $letter) (i32.const 108)) (then (loop $for_ever (br $for_ever)))) ;; l
      (if (i32.eq (local.get $letter) (i32.const 115)) ;; s: the network
        (then (drop (call $network))))
      (call $answer (i32.const 256) (i32.const 4))))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "outside" (instance
      (export "random" (func $random)) (export "now" (func $now)) (export "environment" (func $environment))
      (export "directories" (func $directories)) (export "stdout" (func $stdout)) (export "write" (func $write))
      (export "network" (func $network))))))

  (type $tool (record (field "name" string) (field "description" string) (field "input-schema" string)))
  (func $list (result (list $tool))
    (canon lift (core func $main "list") (memory (core memory $libc "memory"))))
  (func $call (param "name" string) (param "arguments" string) (result (result string (error string)))
    (canon lift (core func $main "call") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  ;; An exported function may only use types that are exported beside it.
  (component $named
    (type $record (record (field "name" string) (field "description" string) (field "input-schema" string)))
    (import "tool" (type $tool (eq $record)))
    (import "list" (func $list (result (list $tool))))
    (import "call" (func $call (param "name" string) (param "arguments" string)
      (result (result string (error string)))))
    (export $exported "tool" (type $record))
    (export "list-tools" (func $list) (func (result (list $exported))))
    (export "call-tool" (func $call)))
  (instance $provider (instantiate $named
    (with "tool" (type $tool)) (with "list" (func $list)) (with "call" (func $call))))
  (export "kgents:tools/provider@0.1.0" (instance $provider)))

;; A core module whose tools misbehave, each in a way of its own; the order is that of the listing.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "LISTING")
  (global $kept (mut i32) (i32.const 0))
  (func (export "kgents_alloc") (param i32) (result i32) (i32.const 8192))
  (func (export "kgents_list") (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const LENGTH)))
  (func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))
  (func (export "kgents_call") (param $tool i32) (param $at i32) (param $length i32) (result i64)
    (if (i32.eq (local.get $tool) (i32.const 0)) (then (loop $for_ever (br $for_ever))))
    (if (i32.eq (local.get $tool) (i32.const 1))
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (unreachable)))
    (if (i32.eq (local.get $tool) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (local.get $tool) (i32.const 3)) (then (drop (call $deeper (i32.const 0)))))
    ;; 4: an answer outside its memory; 5: one that is longer than what is read; 6: no UTF-8.
    (if (i32.eq (local.get $tool) (i32.const 4)) (then (return (i64.const 0x7fffffff00000010))))
    (if (i32.eq (local.get $tool) (i32.const 5)) (then (return (i64.const 0x0000000000010000))))
    (if (i32.eq (local.get $tool) (i32.const 6))
      (then (i32.store (i32.const 0) (i32.const 0xff00fe41)) (return (i64.const 4))))
    ;; 7: how often it was called before in this instance, as one digit.
    (i32.store8 (i32.const 0) (i32.add (i32.const 48) (global.get $kept)))
    (global.set $kept (i32.add (global.get $kept) (i32.const 1)))
    (i64.const 1)))

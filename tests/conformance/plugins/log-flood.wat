  ;; Writes 5,000 lines of 1,024 bytes to the log, and passes.
  (import "kulta:analysis/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (local $line i32)
    (loop $next-line
      (call $log (i32.const 1) (i32.const 65536) (i32.const 1024))
      (local.set $line (i32.add (local.get $line) (i32.const 1)))
      (br_if $next-line (i32.lt_u (local.get $line) (i32.const 5000))))
    (i32.store8 (i32.const 1032) (i32.const 2))
    (i32.const 1024))

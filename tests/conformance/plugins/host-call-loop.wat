  ;; Asks for the time for ever.
  (import "kulta:analysis/clock@1.0.0" "now" (func $now (result i64)))
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (loop $for-ever
      (drop (call $now))
      (br $for-ever))
    (unreachable))

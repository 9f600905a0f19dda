  ;; Asks the provider `prometheus` 1,000 times and measures how often it got an answer.
  (import "kulta:analysis/metrics@1.0.0" "query-instant"
    (func $query (param i32 i32 i32 i32 i64 i32)))
  (data (i32.const 64) "prometheus" "up")
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (local $asked i32)
    (local $answered i32)
    (loop $again
      (call $query
        (i32.const 64) (i32.const 10) (i32.const 74) (i32.const 2) (i64.const 0) (i32.const 2048))
      (local.set $answered
        (i32.add (local.get $answered) (i32.eqz (i32.load8_u (i32.const 2048)))))
      (local.set $asked (i32.add (local.get $asked) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $asked) (i32.const 1000))))
    (i32.store8 (i32.const 1040) (i32.const 1))
    (f64.store (i32.const 1048) (f64.convert_i32_u (local.get $answered)))
    (i32.const 1024))

  ;; Asks the provider `secrets` and measures which error it gets: the number of the variant's case.
  (import "kulta:analysis/metrics@1.0.0" "query-instant"
    (func $query (param i32 i32 i32 i32 i64 i32)))
  (data (i32.const 64) "secrets" "up")
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (call $query
      (i32.const 64) (i32.const 7) (i32.const 71) (i32.const 2) (i64.const 0) (i32.const 2048))
    (if (i32.eqz (i32.load8_u (i32.const 2048))) (then (unreachable)))
    (i32.store8 (i32.const 1040) (i32.const 1))
    (f64.store (i32.const 1048) (f64.convert_i32_u (i32.load8_u (i32.const 2056))))
    (i32.const 1024))

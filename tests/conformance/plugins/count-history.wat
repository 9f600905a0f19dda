  ;; Measures how many earlier calls it is told of.
  (import "kulta:analysis/history@1.0.0" "previous" (func $previous (param i32 i32)))
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (call $previous (i32.const -1) (i32.const 2048))
    (i32.store8 (i32.const 1040) (i32.const 1))
    (f64.store (i32.const 1048) (f64.convert_i32_u (i32.load (i32.const 2052))))
    (i32.const 1024))

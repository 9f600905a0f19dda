  ;; Measures NaN, with a payload that tells who made it.
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.const 1))
    (f64.store (i32.const 1048) (f64.const nan:0xdeadbeef))
    (i32.const 1024))

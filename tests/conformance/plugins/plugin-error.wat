  ;; Says that its configuration is invalid.
  (data (i32.const 64) "limit: not a number")
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1036) (i32.const 64))
    (i32.store (i32.const 1040) (i32.const 19))
    (i32.const 1024))

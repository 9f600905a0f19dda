  ;; Answers with a vector of 1,001 numbers.
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.const 2))
    (i32.store (i32.const 1048) (i32.const 65536))
    (i32.store (i32.const 1052) (i32.const 1001))
    (i32.const 1024))

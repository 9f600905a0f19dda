  ;; Answers with a vector of half a billion numbers, which are not there.
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.const 2))
    (i32.store (i32.const 1048) (i32.const 65536))
    (i32.store (i32.const 1052) (i32.const 536870911))
    (i32.const 1024))

  ;; Answers with a JSON document that is none.
  (data (i32.const 64) "{\"value\":")
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.const 4))
    (i32.store (i32.const 1048) (i32.const 64))
    (i32.store (i32.const 1052) (i32.const 9))
    (i32.const 1024))

  ;; Answers with a summary that is not UTF-8.
  (data (i32.const 64) "\ff\fe\fd")
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store (i32.const 1056) (i32.const 64))
    (i32.store (i32.const 1060) (i32.const 3))
    (i32.const 1024))

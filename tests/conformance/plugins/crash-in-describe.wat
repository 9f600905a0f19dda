  ;; Crashes when it is asked who it is.
  (func (export "kulta:analysis/plugin@1.0.0#describe") (result i32)
    (unreachable))
  (func (export "kulta:analysis/plugin@1.0.0#check-config") (param i32 i32) (result i32)
    (i32.const 1024))
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.const 1024))

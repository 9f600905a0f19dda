  ;; Hands back a state of 8 KiB and one byte.
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (i32.store8 (i32.const 1072) (i32.const 1))
    (i32.store (i32.const 1076) (i32.const 65536))
    (i32.store (i32.const 1080) (i32.const 8193))
    (i32.const 1024))

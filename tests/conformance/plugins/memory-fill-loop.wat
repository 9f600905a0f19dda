  ;; Fills eight MiB of memory for ever: few instructions, and each of them takes long.
  (func (export "kulta:analysis/metric@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (drop (memory.grow (i32.const 128)))
    (loop $for-ever
      (memory.fill (i32.const 65536) (i32.const 7) (i32.const 8388608))
      (br $for-ever))
    (unreachable))

  ;; A gate: holds until the weight to come is at most 50, and then allows.
  (func (export "kulta:analysis/gate@1.0.0#decide")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (param $from i32) (param $to i32) (param $is-last i32)
    (result i32)
    (i32.store8 (i32.const 1032) (i32.gt_u (local.get $to) (i32.const 50)))
    (i32.const 1024))

;; Lifts a function with texts in UTF-16.
(component
  (core module $module
    (memory (export "memory") 1)
    (func (export "run") (param i32 i32))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $instance (instantiate $module))
  (func (export "run") (param "text" string)
    (canon lift (core func $instance "run") string-encoding=utf16
      (memory $instance "memory") (realloc (func $instance "realloc")))))

;; A component as compilers for WASI make them: it wants the environment.
(component
  (import "wasi:cli/environment@0.2.6" (instance
    (export "get-environment" (func (result (list (tuple string string))))))))

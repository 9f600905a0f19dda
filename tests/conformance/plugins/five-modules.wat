;; Has five core modules.
(component
  (core module) (core module) (core module) (core module) (core module))

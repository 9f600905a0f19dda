;; Hides a core module in a component within the component.
(component
  (component
    (core module
      (func (export "run")))))

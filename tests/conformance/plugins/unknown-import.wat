;; Wants an interface that KULTA does not have.
(component
  (import "kulta:secrets/vault@1.0.0" (instance
    (export "reveal" (func (param "name" string) (result string))))))

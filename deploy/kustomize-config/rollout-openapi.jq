# Makes rollout-openapi.json from what a cluster with KULTA's definition serves:
#
#   kubectl get --raw /openapi/v2 | jq --sort-keys --from-file rollout-openapi.jq > rollout-openapi.json
#
# kustomize forgets its own schemas when it is given one, so those of Kubernetes' kinds are in the file as well; of each
# only what tells kustomize how lists are merged.

def merged: has("x-kubernetes-patch-merge-key") or has("x-kubernetes-patch-strategy");
def refers: (."$ref" // .items."$ref" // "") | ltrimstr("#/definitions/");

# Definitions in which a list is merged, at any depth.
def closure($all; $known):
  ($all | with_entries(select(.key as $name | $known[$name] or
    any((.value.properties // {})[]; merged or $known[refers] == true))) | map_values(true)) as $more
  | if ($more | length) == ($known | length) then $known else closure($all; $more) end;

(.definitions | with_entries(select(.key | endswith("List") | not))
  | del(.[].properties.status)
  # The template of a Rollout is the template of a Deployment.
  | .["io.kulta.v1alpha1.Rollout"] |= {
      "x-kubernetes-group-version-kind",
      properties: {
        metadata: {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        spec: {"$ref": "#/definitions/io.kulta.v1alpha1.RolloutSpec"}
      }
    }
  | .["io.kulta.v1alpha1.RolloutSpec"] = {
      properties: {template: {"$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec"}}
    }) as $all
| closure($all; {}) as $kept
| {definitions: ($all
    | with_entries(select($kept[.key]))
    | map_values({"x-kubernetes-group-version-kind", type: "object", properties: (.properties
        | with_entries(select(.value | merged or $kept[refers] == true))
        | map_values(if .items."$ref" and $kept[refers] != true then .items = {type: "object"} else . end
            | del(.description, .default)))}
      | with_entries(select(.value != null))))}

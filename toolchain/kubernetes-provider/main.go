// The Kubernetes provider of Pulumi, built from its own module.
//
// The published main package embeds generated files that the module does not carry, so it cannot be
// built from there. This one embeds only schema.json, which the build script copies out of the module.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

func main() {
	// The last argument is Terraform's mapping, needed only to convert Terraform programs.
	provider.Serve("kubernetes", version.Version, schema, []byte("{}"))
}

// Package codegen stands in for Pulumi's C# code generator, of which the docker-build plugin uses one type: it writes
// its hints for that generator into its schema. Nothing reads them when a program runs.
package codegen

// CSharpPackageInfo holds the hints that the plugin gives.
type CSharpPackageInfo struct {
	PackageReferences    map[string]string `json:"packageReferences,omitempty"`
	Namespaces           map[string]string `json:"namespaces,omitempty"`
	RootNamespace        string            `json:"rootNamespace,omitempty"`
	RespectSchemaVersion bool              `json:"respectSchemaVersion,omitempty"`
}

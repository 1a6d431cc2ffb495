// Package java stands in for Pulumi's Java code generator, of which the docker-build plugin uses one type: it writes
// its hints for that generator into its schema. Nothing reads them when a program runs.
package java

// PackageInfo holds the hints that the plugin gives.
type PackageInfo struct {
	Packages                        map[string]string `json:"packages,omitempty"`
	BuildFiles                      string            `json:"buildFiles,omitempty"`
	GradleNexusPublishPluginVersion string            `json:"gradleNexusPublishPluginVersion,omitempty"`
	Dependencies                    map[string]string `json:"dependencies,omitempty"`
	BasePackage                     string            `json:"basePackage,omitempty"`
}

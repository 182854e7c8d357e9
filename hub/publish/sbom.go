package publish

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

var separators = regexp.MustCompile(`[-_.]+`)

// purl is a Python package's address (package-url); names are compared in lower case with
// one kind of separator.
func purl(name, version string) string {
	return "pkg:pypi/" + strings.ToLower(separators.ReplaceAllString(name, "-")) + "@" + version
}

func hashed(sha256 string) *[]cyclonedx.Hash {
	return &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sha256}}
}

// sbom is the bill of materials: the package and its wheels, with their hashes.
func sbom(in Input) ([]byte, error) {
	components := []cyclonedx.Component{}
	for _, w := range in.Wheels {
		components = append(components, cyclonedx.Component{
			Type: cyclonedx.ComponentTypeLibrary, BOMRef: purl(w.Name, w.Version), Name: w.Name, Version: w.Version, PackageURL: purl(w.Name, w.Version), Hashes: hashed(w.SHA256),
		})
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		Type: cyclonedx.ComponentTypeApplication, BOMRef: "trainer", Name: in.Package.Name, Version: in.Package.Version, Hashes: hashed(in.Package.SHA256),
	}}
	bom.Components = &components
	var out bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).Encode(bom); err != nil {
		return nil, fmt.Errorf("writing the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

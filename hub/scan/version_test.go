package scan

import (
	"testing"

	version "github.com/aquasecurity/go-pep440-version"
)

func parsed(t *testing.T, text string) version.Version {
	t.Helper()
	v, err := version.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

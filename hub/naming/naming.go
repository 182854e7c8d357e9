// Package naming says what the names and versions of trainers are: which are names at all,
// which look alike, and which are the platform's. It knows no database and nobody's trainer.
package naming

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/blang/semver/v4"
)

// trainerName is what an OCI repository, an object's key and an environment
// variable's value may all be.
var trainerName = regexp.MustCompile(`^[a-z][a-z0-9]*([-_][a-z0-9]+)*$`)

const (
	minName    = 2
	maxName    = 64
	maxVersion = 64
)

// reserved are names that strangers would take for the platform's own.
var reserved = map[string]bool{}

func init() {
	for _, name := range []string{"ultralytics", "timm", "huggingface", "starter", "plain", "torch", "pytorch", "official", "admin", "hub", "platform", "trainer-agent", "trainer-hub", "upload", "validation"} {
		reserved[Skeleton(name)] = true
	}
}

// Check returns what is wrong with a trainer's name.
func Check(name string) error {
	if len(name) < minName || len(name) > maxName || !trainerName.MatchString(name) {
		return fmt.Errorf("%q is no trainer name: use %d to %d lower-case letters and digits, words joined by - or _, a letter first", Clip(name), minName, maxName)
	}
	return nil
}

// CheckVersion returns what is wrong with a version. Build metadata (+…) has no
// place in the order of versions and none in an image's tag.
func CheckVersion(version string) error {
	v, err := semver.Parse(version)
	if err != nil || len(version) > maxVersion || len(v.Build) > 0 {
		return fmt.Errorf("%q is no semantic version such as 1.4.0 or 2.0.0-rc.1 (https://semver.org), without build metadata", Clip(version))
	}
	return nil
}

// Clip shortens a text that is no name, for a message.
func Clip(text string) string {
	if len(text) > maxName {
		return text[:maxName] + "…"
	}
	return text
}

var alike = strings.NewReplacer("-", "", "_", "", "0", "o", "1", "l", "i", "l", "5", "s", "rn", "m", "vv", "w")

// Skeleton is what a name looks like at a glance: two names with one skeleton are
// taken for each other.
func Skeleton(name string) string { return alike.Replace(name) }

// minTypo is the length from which one wrong letter makes an impostor: shorter
// names are too close to each other by nature.
const minTypo = 6

// Typo says whether two skeletons differ by one letter left out, added or
// exchanged, or by two letters that changed places. Digits tell versions of a
// model apart: yolo-v8 is no impostor of yolo-v9.
func Typo(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < minTypo || len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch {
	case len(a) < len(b):
		return a[i:] == b[i+1:] && !digit(b[i])
	case i == len(a):
		return false
	case a[i+1:] == b[i+1:]:
		return !digit(a[i]) && !digit(b[i])
	default:
		return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// Reserved says whether strangers would take a name for the platform's own.
func Reserved(name string) bool { return reserved[Skeleton(name)] }

// Number is a version that CheckVersion has let pass.
func Number(version string) semver.Version {
	v, _ := semver.Parse(version)
	return v
}

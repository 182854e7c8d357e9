package manifest

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for id, want := range map[string]string{
		"job-7":                                "trainer-job-7",
		"3f2b8c1e-7d46-4f5a-9a51-0c6de2b1f0aa": "trainer-3f2b8c1e-7d46-4f5a-9a51-0c6de2b1f0aa",
		"A.b":                                  "trainer-a-b-4ff54a775f",
		"a-b":                                  "trainer-a-b",
		"a-b-4ff54a775f":                       "trainer-a-b-4ff54a775f-ded11d74b4", // would be A.b's
		"job_":                                 "trainer-job-66e99320ef",
		strings.Repeat("x", 44):                "trainer-" + strings.Repeat("x", 44),
		strings.Repeat("x", 45):                "trainer-" + strings.Repeat("x", 33) + "-15b526372a",
		"a" + strings.Repeat("-", 80):          "trainer-a-6d3c918254",
	} {
		if got := Name(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

// Ids that differ have names that differ, and every name is one that Kubernetes
// takes, with the index of a pod behind it too.
func TestEveryIdHasANameOfItsOwn(t *testing.T) {
	label := regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	id := rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9._-]{1,128}`),
		rapid.StringMatching(`[aA][._-][bB]`), // alike
		rapid.StringMatching(`[aA]{40,50}`),
		rapid.StringMatching(`[aA][.-]b(-[0-9a-f]{10})?`),
	)
	owners := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		id := id.Draw(t, "id")
		name := Name(id)
		if !label.MatchString(name) || len(name)+len("-4095") > 63 {
			t.Errorf("%s is called %s", id, name)
		}
		if owner, taken := owners[name]; taken && owner != id {
			t.Errorf("%s and %s are both called %s", owner, id, name)
		}
		owners[name] = id
		if again := Name(strings.TrimPrefix(name, prefix)); again == name && again != prefix+id {
			t.Errorf("%s and %s are both called %s", id, strings.TrimPrefix(name, prefix), name)
		}
	})
}

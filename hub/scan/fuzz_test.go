package scan

import (
	"encoding/json"
	"testing"

	version "github.com/aquasecurity/go-pep440-version"
)

// The advisories come from outside, and so do the versions that they are compared with: what
// cannot be ordered is no match, and a version that is named is one.
func FuzzAdvisory(f *testing.F) {
	for _, text := range records {
		f.Add([]byte(text), "1.0", "numpy")
	}
	f.Add([]byte(`{"id":"x","affected":[{"package":{"ecosystem":"PyPI","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"last_affected":"1!2.0rc1.post2.dev3+local"}]}],"versions":["2004d",""]}]}`), "1!2.0rc1", "A")
	f.Fuzz(func(t *testing.T, text []byte, have, name string) {
		var r record
		if json.Unmarshal(text, &r) != nil || len(text) > 1<<14 || len(have) > 1<<10 {
			return
		}
		parsed, err := version.Parse(have)
		if err != nil {
			return
		}
		a := &Advisories{of: map[string][]advisory{}}
		a.add(r)
		for _, known := range a.of[Normal(name)] {
			in, _ := known.affects(parsed)
			for _, named := range known.versions {
				if named == have && !in {
					t.Errorf("%q is named by %s and not affected", have, text)
				}
			}
		}
	})
}

// Whatever the scanner answers: only its one word of approval is one.
func FuzzReply(f *testing.F) {
	f.Add("stream: OK")
	f.Add("stream: Eicar FOUND")
	f.Add("INSTREAM size limit exceeded. ERROR")
	f.Add(" FOUND")
	f.Fuzz(func(t *testing.T, reply string) {
		found, err := judged(reply, "file")
		if found == nil && err == nil && reply != "stream: OK" && reply != "OK" && reply != "stream: stream: OK" {
			t.Errorf("%q passes", reply)
		}
	})
}

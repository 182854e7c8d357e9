package isolation

import (
	"os"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process"
)

func TestWhatOthersRunIsReadOnly(t *testing.T) {
	t.Setenv("PATH", "relative:/usr/bin:/:/tmp/bin")
	t.Setenv("SSL_CERT_FILE", "")
	list := (&Stage{}).programs()
	if slices.ContainsFunc([]string{"", ".", "/", "relative", "/tmp/bin"}, func(path string) bool { return slices.Contains(list, path) }) {
		t.Errorf("%q", list)
	}
	for _, path := range []string{"/etc", "/usr/bin"} {
		if got := slices.Contains(list, path); got != (os.Geteuid() == 0) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if list := (&Stage{RunAs: &process.Identity{UID: uint32(os.Geteuid()) + 1}}).programs(); len(list) > 0 {
		t.Errorf("of another user: %q", list)
	}
}

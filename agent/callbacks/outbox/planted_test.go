package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// What a training script plants in place of the outbox's files costs neither the job
// its outbox nor a file elsewhere its content.
func TestAPlantedPipeLinkOrFolderIsSetAsideAndNotFollowed(t *testing.T) {
	names := []string{keyName, slotName, rejectedName, keptPrefix + string(contract.KindDone), filepath.Join(storeName, "cursor"), "segment"}
	for _, name := range names {
		for kind, plant := range map[string]func(path, victim string) error{
			"a pipe":   func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
			"a link":   func(path, victim string) error { return os.Symlink(victim, path) },
			"a folder": func(path, _ string) error { return os.Mkdir(path, 0o700) },
		} {
			t.Run(name+" is "+kind, func(t *testing.T) {
				dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
				b := newBackend(t, nil)
				first := open(t, dir, options(b.URL))
				appendAll(t, first, event("before"))
				if err := errors.Join(first.Keep(done("succeeded")), first.Close(), os.WriteFile(victim, []byte("untouched"), 0o600)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, name)
				if name == "segment" {
					path = segment(t, dir)
				}
				if err := errors.Join(os.RemoveAll(path), plant(path, victim)); err != nil {
					t.Fatal(err)
				}
				opened := make(chan *Outbox, 1)
				go func() {
					o, err := Open(dir, options(b.URL))
					if err != nil {
						t.Error(err)
					}
					opened <- o
				}()
				var o *Outbox
				select {
				case o = <-opened:
				case <-time.After(20 * time.Second):
					t.Fatal("opening the outbox hangs")
				}
				if o == nil {
					return
				}
				t.Cleanup(func() { _ = o.Close() })
				_, _ = o.Kept(contract.KindDone)
				run(t, o)
				appendAll(t, o, event("after"))
				appendFinal(t, o, done("failed"))
				flush(t, o)
				if got := bodies(b.got()); !strings.Contains(got, "after") || strings.Count(got, "/done") != 1 {
					t.Errorf("the backend got\n%s", got)
				}
				if text, err := os.ReadFile(victim); err != nil || string(text) != "untouched" {
					t.Errorf("the link was followed: %q, %v", text, err)
				}
			})
		}
	}
}

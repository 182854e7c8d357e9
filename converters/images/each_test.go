package images

import (
	"testing"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// However many work at once, the first panic is theirs who asked, and nobody waits for a lock.
func TestAPanicAtAnImageIsOneOfEach(t *testing.T) {
	bug := func() { panic("width × height") }
	for name, each := range map[string]func() error{
		"in the work": func() error { return Each(t.Context(), 10_000, nil, func(int) error { bug(); return nil }) },
		"in the progress": func() error {
			return Each(t.Context(), 10_000, func(int, int) { bug() }, func(int) error { return nil })
		},
	} {
		func() {
			defer func() {
				if p, ok := recover().(*crew.Panic); !ok || p.Value != "width × height" {
					t.Errorf("%s: %v", name, p)
				}
			}()
			t.Errorf("%s: returned %v", name, each())
		}()
	}
}

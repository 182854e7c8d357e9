package checkpoints

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
)

// fleet is every checkpoint that lies below OUTPUT_DIR now.
type fleet struct {
	at     map[string]*checkpoint // by path
	hidden []string               // folders that were passed over
	looked bool                   // there was a look: what comes later is of this run
}

// meet brings the fleet up to date with a look. An upload whose file was written to
// is given up, because its second look would refuse the file anyway.
func (f *fleet) meet(v scan.View, now time.Time) {
	there := make(map[string]*checkpoint, len(v.Sources))
	for _, src := range v.Sources {
		c, stamp := f.at[src.Rel], src.Stamp()
		if c == nil || c.stamp != stamp {
			c = succeed(c, src, stamp, now)
			c.old = !f.looked
		}
		c.src.Files = src.Files // the name may have changed, which the stamp does not say
		there[src.Rel] = c
	}
	f.at, f.hidden, f.looked = there, v.Hidden, true
}

// succeed makes the checkpoint that takes a path from another one, or from none.
func succeed(before *checkpoint, src scan.Source, stamp string, now time.Time) *checkpoint {
	c := &checkpoint{src: src, stamp: stamp, since: now}
	if before == nil {
		return c
	}
	c.changes = before.changes
	if before.flight != nil && before.writtenTo(src) {
		before.flight.abandon()
		c.changes++
	}
	return c
}

// writtenTo reports whether a newer look shows the same file with other content. A
// file that was replaced by another is still whole in our hands, and so is a snapshot.
func (c *checkpoint) writtenTo(now scan.Source) bool {
	if c.src.Folder || now.Folder || c.flight.task.Own() {
		return false
	}
	return c.src.Files[0].Version.Inode == now.Files[0].Version.Inode
}

// inspect moves every checkpoint on, and returns the time until the next look at one
// that may soon be complete; 0 is none.
func (f *fleet) inspect(examine func(scan.Source) scan.Findings, quiet time.Duration, now time.Time, end *FinishOptions) (again time.Duration) {
	for _, c := range f.at {
		if a := c.inspect(examine, quiet, now, end); a > 0 && (again == 0 || a < again) {
			again = a
		}
	}
	return again
}

// complete are the checkpoints that may go up, in the order of their paths.
func (f *fleet) complete() []*checkpoint {
	var ok []*checkpoint
	for _, c := range f.sorted() {
		if !c.incomplete() {
			ok = append(ok, c)
		}
	}
	return ok
}

func (f *fleet) sorted() []*checkpoint {
	return slices.SortedFunc(maps.Values(f.at), func(a, b *checkpoint) int { return cmp.Compare(a.src.Rel, b.src.Rel) })
}

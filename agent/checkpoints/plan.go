package checkpoints

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
)

// want is one place in the bucket and the checkpoint that should be there.
type want struct {
	place
	c        *checkpoint
	priority int
}

// Priorities: what a resumed job and the caller of `done` need comes first.
const (
	priorityBest = iota
	priorityLast
	priorityResult
	priorityEpoch
	priorityOther
)

// planner turns what lies on disk into what should be in the bucket. It is a
// function of its input but for the owners: which folder a name belongs to.
type planner struct {
	frequency int
	keep      int
	owners    map[string]owner // by name in the bucket

	// Once the framework has written a best or last of its own, none is made for
	// it: the file may be absent for an instant, or incomplete for a while.
	writesBest, writesLast bool
}

// owner is the folder on disk whose files a name belongs to.
type owner struct {
	dir   string
	fresh bool // it was written to in this run
}

// situation is what a plan depends on beside the checkpoints.
type situation struct {
	bestEpoch int
	admitted  []int // epochs that the bucket holds by frequency
}

// meet takes note of everything on disk, with what is not complete yet.
func (p *planner) meet(all []*checkpoint) {
	for _, c := range all {
		p.writesBest = p.writesBest || c.src.Role == naming.Best
		p.writesLast = p.writesLast || c.src.Role == naming.Last
	}
}

// plan lists the wants of complete checkpoints, most urgent first.
//
// Frequency: epoch n is kept when n is a multiple, or when as many epochs have
// passed since the last one kept (Ultralytics counts from 0 and so saves 1, 6,
// 11 for a period of 5). A framework that writes no `last` gets one from its
// newest epoch, one that writes no `best` from the epoch with the best primary
// metric.
func (p *planner) plan(all []*checkpoint, s situation) []want {
	var wants []want
	var epochs []*checkpoint
	for _, c := range all {
		switch c.src.Role {
		case naming.Best:
			wants = p.add(wants, c, priorityBest)
		case naming.Last:
			wants = p.add(wants, c, priorityLast)
		case naming.Result:
			wants = append(wants, makeWant(resultName(c), c, priorityResult))
		case naming.Epoch:
			epochs = append(epochs, c)
		default:
			wants = p.add(wants, c, priorityOther)
		}
	}
	slices.SortStableFunc(epochs, byEpoch)
	wants = unique(p.addEpochs(wants, epochs, s))
	slices.SortStableFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(b.c.src.Epoch, a.c.src.Epoch))
	})
	return wants
}

func (p *planner) addEpochs(wants []want, epochs []*checkpoint, s situation) []want {
	admitted := slices.Clone(s.admitted)
	for _, c := range epochs {
		if !c.src.State.MidEpoch() && admits(p.frequency, c.src.Epoch, admitted) {
			admitted = append(admitted, c.src.Epoch)
		}
	}
	oldest := oldestKept(p.keep, admitted)
	for i, c := range epochs {
		newest := i == len(epochs)-1 && !p.writesLast
		best := !p.writesBest && isBest(c, epochs, s.bestEpoch)
		admit := !c.src.State.MidEpoch() && c.src.Epoch >= oldest && slices.Contains(admitted, c.src.Epoch)
		// A folder is not replaced in one step as an object is. So it goes up
		// under its epoch first, and last and best are copied from there: until
		// the manifest names the new one, the one before is untouched.
		staged := c.src.Folder && (newest || best)
		if admit || staged {
			wants = p.addEpoch(wants, c, admit, staged)
		}
		if best {
			wants = addAlias(wants, "best", c, priorityBest)
		}
		if newest {
			wants = addAlias(wants, "last", c, priorityLast)
		}
	}
	return wants
}

func (p *planner) addEpoch(wants []want, c *checkpoint, admit, staged bool) []want {
	priority := priorityEpoch
	if staged {
		priority = priorityLast
	}
	wants = p.add(wants, c, priority)
	wants[len(wants)-1].staged = !admit
	return wants
}

// admits answers for one epoch whether CHECKPOINT_FREQUENCY keeps it, given the
// epochs that it keeps already.
func admits(frequency, epoch int, admitted []int) bool {
	before := 0
	for _, n := range admitted {
		if n < epoch {
			before = max(before, n)
		}
	}
	return frequency > 0 && (epoch%frequency == 0 || epoch-before >= frequency)
}

// oldestKept is the epoch below which AGENT_KEEP_CHECKPOINTS keeps none.
func oldestKept(keep int, admitted []int) int {
	epochs := slices.Compact(slices.Sorted(slices.Values(admitted)))
	if keep <= 0 || len(epochs) <= keep {
		return 0
	}
	return epochs[len(epochs)-keep]
}

// byEpoch puts the newest last, and of one epoch the file that can be trained on.
func byEpoch(a, b *checkpoint) int {
	return cmp.Or(cmp.Compare(a.src.Epoch, b.src.Epoch), cmp.Compare(a.src.State.StepNumber(), b.src.State.StepNumber()),
		boolCompare(naming.Resumable(a.src.Rel), naming.Resumable(b.src.Rel)))
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// isBest asks the newest trainer_state.json, which knows metric_for_best_model,
// and else the primary metric.
func isBest(c *checkpoint, epochs []*checkpoint, bestEpoch int) bool {
	if newest := epochs[len(epochs)-1].src.State; newest.NamesBest() {
		return c.src.State != nil && newest.IsBest(c.src.State.Step)
	}
	return c.src.Epoch == bestEpoch && !c.src.State.MidEpoch()
}

// unique leaves one want a name, that of the newest checkpoint: two would replace
// each other for ever.
func unique(wants []want) []want {
	newest := map[string]*checkpoint{}
	for _, w := range wants {
		if c := newest[w.name]; c == nil || newer(w.c, c) {
			newest[w.name] = w.c
		}
	}
	return slices.DeleteFunc(wants, func(w want) bool {
		keep := newest[w.name] == w.c
		if keep {
			newest[w.name] = nil // of equals the first
		}
		return !keep
	})
}

// newer orders two files by one name (last.ckpt and last-v1.ckpt): what this run wrote
// before what lay there, then by epoch where both are known, then by time.
func newer(a, b *checkpoint) bool {
	if a.old != b.old {
		return b.old
	}
	if a.epoch > 0 && b.epoch > 0 && a.epoch != b.epoch {
		return a.epoch > b.epoch
	}
	return a.src.Written().After(b.src.Written())
}

func addAlias(wants []want, name string, c *checkpoint, priority int) []want {
	_, ext, _ := naming.SplitModel(path.Base(c.src.Rel))
	if c.src.Folder {
		ext = ""
	}
	w := makeWant(name+ext, c, priority)
	w.alias = true
	return append(wants, w)
}

func makeWant(name string, c *checkpoint, priority int) want {
	return want{place: place{name: name}, c: c, priority: priority}
}

// add gives the checkpoint its name, if its folder owns it. Two folders that both
// write best.pt (five folds of a cross-validation) must not replace each other's:
// the first to write keeps the name, the others go under their own path. What
// lay there before this run gives way to what this run writes: Ultralytics
// starts train2/ beside train/ when it is run again.
func (p *planner) add(wants []want, c *checkpoint, priority int) []want {
	name, dir := c.src.Name, path.Dir(c.src.Rel)
	held, taken := p.owners[name]
	switch {
	case !taken, held.dir == dir:
		p.owners[name] = owner{dir: dir, fresh: !c.old || held.fresh}
	case !c.old && !held.fresh:
		p.owners[name] = owner{dir: dir, fresh: true}
		for i, w := range wants {
			if w.name == name {
				wants[i] = makeWant(naming.Own(w.c.src.Rel), w.c, priorityOther)
			}
		}
	default:
		name = naming.Own(c.src.Rel)
		priority = max(priority, priorityOther)
	}
	for i, w := range wants {
		if w.name == name { // two files of one folder by the same name: the newer
			if newer(w.c, c) {
				c, priority = w.c, w.priority
			}
			wants = slices.Delete(wants, i, i+1)
			break
		}
	}
	return append(wants, makeWant(name, c, priority))
}

// resultMark begins the names of validation results. No name below the
// checkpoint prefix can begin so.
const resultMark = "//"

func resultName(c *checkpoint) string {
	return fmt.Sprintf("%sepoch-%d/%s", resultMark, c.src.Epoch, c.src.Name)
}

func cutResult(name string) (string, bool) { return strings.CutPrefix(name, resultMark) }

package checkpoints

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// want is one place in the bucket and the source that should be there.
type want struct {
	name     string // below the prefix
	source   source
	stamp    string
	priority int
	after    string // a name that has to hold the same source first
	staged   bool   // an epoch that only last or best needs; it goes when they are there
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
	owners    map[string]owner  // by name in the bucket
	before    map[string]string // path → stamp of what lay there when the watch began

	// Once the framework has written a best or last of its own, none is made for
	// it: the file may be absent for an instant, or incomplete for a while.
	writesBest, writesLast bool
}

// meet takes note of a view, with what is not complete yet.
func (p *planner) meet(v view) {
	for _, src := range v.sources {
		p.writesBest = p.writesBest || src.role == roleBest
		p.writesLast = p.writesLast || src.role == roleLast
	}
}

// owner is the folder on disk whose files a name belongs to.
type owner struct {
	dir   string
	fresh bool // it was written to in this run
}

// situation is what a plan depends on beside the sources.
type situation struct {
	bestEpoch int
	admitted  []int // epochs that the bucket holds by frequency
}

// plan lists the wants, most urgent first.
//
// Frequency: epoch n is kept when n is a multiple, or when as many epochs have
// passed since the last one kept (Ultralytics counts from 0 and so saves 1, 6,
// 11 for a period of 5). A framework that writes no `last` gets one from its
// newest epoch, one that writes no `best` from the epoch with the best primary
// metric.
func (p *planner) plan(sources []source, s situation) []want {
	var wants []want
	var epochs []source
	for _, src := range sources {
		switch src.role {
		case roleBest:
			wants = p.add(wants, src.name, src, priorityBest)
		case roleLast:
			wants = p.add(wants, src.name, src, priorityLast)
		case roleResult:
			wants = append(wants, makeWant(resultName(src), src, priorityResult))
		case roleEpoch:
			epochs = append(epochs, src)
		default:
			wants = p.add(wants, src.name, src, priorityOther)
		}
	}
	slices.SortStableFunc(epochs, byEpoch)
	wants = unique(p.addEpochs(wants, epochs, s))
	slices.SortStableFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(b.source.epoch, a.source.epoch))
	})
	return wants
}

func (p *planner) addEpochs(wants []want, epochs []source, s situation) []want {
	admitted := slices.Clone(s.admitted)
	for _, src := range epochs {
		if !src.state.midEpoch() && admits(p.frequency, src.epoch, admitted) {
			admitted = append(admitted, src.epoch)
		}
	}
	oldest := oldestKept(p.keep, admitted)
	for i, src := range epochs {
		newest := i == len(epochs)-1 && !p.writesLast
		best := !p.writesBest && isBest(src, epochs, s.bestEpoch)
		admit := !src.state.midEpoch() && src.epoch >= oldest && slices.Contains(admitted, src.epoch)
		// A folder is not replaced in one step as an object is. So it goes up
		// under its epoch first, and last and best are copied from there: until
		// the manifest names the new one, the one before is untouched.
		staged := src.folder && (newest || best)
		if admit || staged {
			wants = p.addEpoch(wants, src, admit, staged)
		}
		if best {
			wants = addAlias(wants, "best", src, priorityBest)
		}
		if newest {
			wants = addAlias(wants, "last", src, priorityLast)
		}
	}
	return wants
}

func (p *planner) addEpoch(wants []want, src source, admit, staged bool) []want {
	priority := priorityEpoch
	if staged {
		priority = priorityLast
	}
	wants = p.add(wants, src.name, src, priority)
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
func byEpoch(a, b source) int {
	return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.state.step(), b.state.step()),
		boolCompare(resumable(a.rel), resumable(b.rel)))
}

// isBest asks the newest trainer_state.json, which knows metric_for_best_model,
// and else the primary metric.
func isBest(src source, epochs []source, bestEpoch int) bool {
	if newest := epochs[len(epochs)-1]; newest.state.namesBest() {
		return src.state != nil && newest.state.isBest(src.state.Step)
	}
	return src.epoch == bestEpoch && !src.state.midEpoch()
}

// unique leaves one want a name, that of the newest source: two would replace
// each other for ever.
func unique(wants []want) []want {
	newest := map[string]int64{}
	for _, w := range wants {
		newest[w.name] = max(newest[w.name], w.source.mtime())
	}
	return slices.DeleteFunc(wants, func(w want) bool {
		keep := newest[w.name] == w.source.mtime()
		if keep {
			newest[w.name] = -1 // of equals the first
		}
		return !keep
	})
}

func addAlias(wants []want, name string, src source, priority int) []want {
	_, ext, _ := splitModel(path.Base(src.rel))
	if src.folder {
		ext = ""
	}
	w := makeWant(name+ext, src, priority)
	if src.folder {
		w.after = src.name
	}
	return append(wants, w)
}

func makeWant(name string, src source, priority int) want {
	return want{name: name, source: src, stamp: src.stamp(), priority: priority}
}

// add gives the source its name, if its folder owns it. Two folders that both
// write best.pt (five folds of a cross-validation) must not replace each other's:
// the first to write keeps the name, the others go under their own path. What
// lay there before this run gives way to what this run writes: Ultralytics
// starts train2/ beside train/ when it is run again.
func (p *planner) add(wants []want, name string, src source, priority int) []want {
	dir, fresh := path.Dir(src.rel), p.before[src.rel] != src.stamp()
	held, taken := p.owners[name]
	switch {
	case !taken, held.dir == dir:
		p.owners[name] = owner{dir: dir, fresh: fresh || held.fresh}
	case fresh && !held.fresh:
		p.owners[name] = owner{dir: dir, fresh: true}
		for i, w := range wants {
			if w.name == name {
				wants[i] = makeWant(clean(w.source.rel), w.source, priorityOther)
			}
		}
	default:
		name = clean(src.rel)
		priority = max(priority, priorityOther)
	}
	for i, w := range wants {
		if w.name == name { // two files of one folder by the same name: the newer
			if src.mtime() < w.source.mtime() {
				src, priority = w.source, w.priority
			}
			wants = slices.Delete(wants, i, i+1)
			break
		}
	}
	return append(wants, makeWant(name, src, priority))
}

// resultMark begins the names of validation results. No name below the
// checkpoint prefix can begin so.
const resultMark = "//"

func resultName(src source) string {
	return fmt.Sprintf("%sepoch-%d/%s", resultMark, src.epoch, src.name)
}

func cutResult(name string) (string, bool) { return strings.CutPrefix(name, resultMark) }

package output

// automaton finds every occurrence of a set of strings in one pass (Aho and
// Corasick, 1975). A node costs a few dozen bytes, because a presigned URL is a
// secret of a thousand.
type automaton struct {
	nodes []node
	root  [256]int32 // the root's edges: nearly every byte of a log is looked up here
}

type node struct {
	edges []edge
	fail  int32 // the longest proper end of this node's text that is a node too
	depth int32 // length of this node's text
	found int32 // length of the longest string that ends here, 0 = none
}

type edge struct {
	char byte
	to   int32
}

func newAutomaton(words []string) *automaton {
	a := &automaton{nodes: make([]node, 1)}
	for _, word := range words {
		a.insert(word)
	}
	for _, e := range a.nodes[0].edges {
		a.root[e.char] = e.to
	}
	// Breadth first: a node's fail link is shallower, so it is ready before.
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range a.nodes[at].edges {
			if at != 0 {
				fail := a.next(a.nodes[at].fail, e.char)
				a.nodes[e.to].fail = fail
				a.nodes[e.to].found = max(a.nodes[e.to].found, a.nodes[fail].found)
			}
			queue = append(queue, e.to)
		}
	}
	return a
}

func (a *automaton) insert(word string) {
	at := int32(0)
	for i := range len(word) {
		to, ok := a.child(at, word[i])
		if !ok {
			to = int32(len(a.nodes))
			a.nodes = append(a.nodes, node{depth: int32(i + 1)})
			a.nodes[at].edges = append(a.nodes[at].edges, edge{word[i], to})
		}
		at = to
	}
	a.nodes[at].found = int32(len(word))
}

func (a *automaton) child(at int32, c byte) (int32, bool) {
	for _, e := range a.nodes[at].edges {
		if e.char == c {
			return e.to, true
		}
	}
	return 0, false
}

func (a *automaton) next(at int32, c byte) int32 {
	for at != 0 {
		if to, ok := a.child(at, c); ok {
			return to
		}
		at = a.nodes[at].fail
	}
	return a.root[c]
}

func (a *automaton) empty() bool { return len(a.nodes) == 1 }

func (a *automaton) found(at int32) int { return int(a.nodes[at].found) }
func (a *automaton) depth(at int32) int { return int(a.nodes[at].depth) }

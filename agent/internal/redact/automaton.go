package redact

// automaton finds every occurrence of a set of words in one pass (Aho and
// Corasick, 1975). A node costs 48 bytes, because a presigned URL is a secret of a
// thousand.
type automaton struct {
	nodes []node
	root  [256]int32 // the root's edges: nearly every byte of a log is looked up here
}

type node struct {
	only  edge   // most nodes have one
	more  []edge // beside it
	fail  int32  // the longest proper end of this node's text that is a node too
	depth int32  // length of this node's text
	found int32  // length of the longest word that ends here, 0 = none
}

type edge struct {
	char byte
	to   int32 // 0 = no edge: nothing leads to the root
}

func newAutomaton(words []string) *automaton {
	size := 1
	for _, word := range words {
		size += len(word)
	}
	a := &automaton{nodes: make([]node, 1, size)}
	for _, word := range words {
		a.insert(word)
	}
	// Breadth first: a node's fail link is shallower, so it is ready before.
	queue := make([]int32, 0, len(a.nodes))
	for _, to := range a.root {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for next := 0; next < len(queue); next++ {
		at := queue[next]
		a.link(at, a.nodes[at].only)
		queue = appendEdge(queue, a.nodes[at].only)
		for _, e := range a.nodes[at].more {
			a.link(at, e)
			queue = appendEdge(queue, e)
		}
	}
	return a
}

func appendEdge(queue []int32, e edge) []int32 {
	if e.to == 0 {
		return queue
	}
	return append(queue, e.to)
}

func (a *automaton) link(from int32, e edge) {
	if e.to == 0 {
		return
	}
	fail := a.next(a.nodes[from].fail, e.char)
	a.nodes[e.to].fail = fail
	a.nodes[e.to].found = max(a.nodes[e.to].found, a.nodes[fail].found)
}

func (a *automaton) insert(word string) {
	at := int32(0)
	for i := range len(word) {
		to := a.child(at, word[i])
		if to == 0 {
			to = int32(len(a.nodes))
			a.nodes = append(a.nodes, node{depth: int32(i + 1)})
			a.connect(at, edge{word[i], to})
		}
		at = to
	}
	a.nodes[at].found = int32(len(word))
}

func (a *automaton) connect(at int32, e edge) {
	n := &a.nodes[at]
	switch {
	case at == 0:
		a.root[e.char] = e.to
	case n.only.to == 0:
		n.only = e
	default:
		n.more = append(n.more, e)
	}
}

// child is the node after c, 0 if there is none.
func (a *automaton) child(at int32, c byte) int32 {
	if at == 0 {
		return a.root[c]
	}
	n := &a.nodes[at]
	if n.only.char == c {
		return n.only.to
	}
	for _, e := range n.more {
		if e.char == c {
			return e.to
		}
	}
	return 0
}

func (a *automaton) next(at int32, c byte) int32 {
	for at != 0 {
		if to := a.child(at, c); to != 0 {
			return to
		}
		at = a.nodes[at].fail
	}
	return a.root[c]
}

func (a *automaton) empty() bool { return len(a.nodes) == 1 }

func (a *automaton) found(at int32) int { return int(a.nodes[at].found) }
func (a *automaton) depth(at int32) int { return int(a.nodes[at].depth) }

// longest is the length of the longest word.
func (a *automaton) longest() int {
	most := int32(0)
	for _, n := range a.nodes {
		most = max(most, n.depth)
	}
	return int(most)
}

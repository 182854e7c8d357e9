package images

// Listed is a tree of names that may not be on disk yet.
func Listed(names []string) *Tree {
	t := &Tree{names: names, real: make(map[string]string)}
	t.number()
	return t
}

// Named finds the files that annotations name, by the rules that a conversion will
// find them by. imageRoot is what the annotations' storage_info says.
func (t *Tree) Named(imageRoot string, names []string) *Match {
	return t.Match(usualBases(imageRoot), names)
}

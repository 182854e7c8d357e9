package images

// Named finds the files that annotations name, by the rules that a conversion will
// find them by. imageRoot is what the annotations' storage_info says.
func (t *Tree) Named(imageRoot string, names []string) *Match {
	return t.Match(Bases(imageRoot), names)
}

package cache

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

type indexed struct {
	path string
	size int64
	crc  uint32
}

func indexOf(path string) (all []indexed, err error) {
	err = readIndex(path, func(name string, size int64, crc uint32) error {
		all = append(all, indexed{name, size, crc})
		return nil
	})
	return all, err
}

// Another job may have written an entry's papers. What is read of an index is what it says;
// an entry is never complete by its papers alone, whatever they say.
func FuzzEntry(f *testing.F) {
	f.Add([]byte("0a0b0c0d 3 \"images/a.jpg\"\n00000000 2 \"annotations.json\"\n"), []byte(`{"source":"x","bytes":5,"files":2,"folders":{".":1,"images":2}}`))
	f.Add([]byte("00000000 0 \"../a\"\n"), []byte(`{"files":1,"folders":{"..":1,"../x":0}}`))
	f.Add([]byte("ffffffff -1 \"\"\n\n"), []byte(`{"files":-1}`))
	f.Add([]byte(""), []byte(`{"folders":{".":0,"":0,"/":0}}`))
	f.Fuzz(func(t *testing.T, index, record []byte) {
		if len(index) > 1<<16 || len(record) > 1<<16 {
			return
		}
		c := &Cache{Dir: t.TempDir()}
		dir := c.path("id")
		write := func(name string, body []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		write("index", index)
		write("entry.json", record)
		if _, state, err := c.inspect(t.Context(), "id"); err != nil || state == isAbsent {
			t.Errorf("state %d, %v", state, err)
		} else if r, _ := readRecord(dir); state == isComplete && r.Files != 0 {
			t.Errorf("complete, with %d files that are not there", r.Files)
		}
		read, err := indexOf(filepath.Join(dir, "index"))
		if err != nil {
			return
		}
		again := filepath.Join(dir, "again")
		err = writeIndex(again, func(to func(string, int64, uint32) error) error {
			for _, one := range read {
				if err := to(one.path, one.size, one.crc); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := indexOf(again); err != nil || !reflect.DeepEqual(back, read) {
			t.Errorf("%v became %v (%v)", read, back, err)
		}
	})
}

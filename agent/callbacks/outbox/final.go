package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
)

// A finalSlot is the reserved place of the final message: a file written at full
// size when the store is made, so that on a full disk the message still fits.
//
//	block 0  the mark: magic, sequence, state, MAC
//	block 1… the record as the queue encodes it
//
// The record is synced before the mark that makes it count, and the mark fits a
// sector, so a kill leaves either no final message or a whole one. Neither counts
// unless this job's agent wrote it.
type finalSlot struct {
	file  *os.File
	seal  *seal
	state finalState
	rec   record // set unless the state is finalNone
}

type finalState byte

const (
	finalNone      finalState = iota
	finalStored               // accepted, not delivered
	finalDelivered            // the backend has it
	finalRejected             // the backend refused it
)

const (
	slotSize  = 1 << 20
	slotBlock = 4 << 10
	markSize  = 8 + 8 + 1 + sealSize
)

var slotMagic = [8]byte{'t', 'a', 'f', 'i', 'n', 'a', 'l', '2'}

// openFinal opens or makes the slot in the folder; what is no file there is set aside.
func openFinal(f *folder, seal *seal) (s *finalSlot, damaged bool, err error) {
	s, damaged, err = openFinalSlot(f.join(slotName), seal)
	if !errors.Is(err, spool.ErrDamaged) {
		return s, damaged, err
	}
	if _, err := f.moveAside(slotName); err != nil {
		return nil, false, err
	}
	s, _, err = openFinalSlot(f.join(slotName), seal)
	return s, true, err
}

// openFinalSlot opens or makes the slot. A slot that cannot be read, or that the
// agent did not write, is emptied, with damaged set: the message in it was not
// accepted or is lost.
func openFinalSlot(path string, seal *seal) (s *finalSlot, damaged bool, err error) {
	f, err := spool.OpenRegular(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("opening the final message's place: %w", err)
	}
	s = &finalSlot{file: f, seal: seal}
	if info, err := f.Stat(); err == nil && info.Size() >= slotSize {
		err = s.read()
		if err == nil {
			return s, false, nil
		}
		damaged = true
	}
	if err := s.reserve(); err != nil {
		return nil, false, errors.Join(fmt.Errorf("reserving the final message's place: %w", err), f.Close())
	}
	return s, damaged, atomicfile.SyncDir(filepath.Dir(path))
}

// reserve writes every block, so that none has to be found later.
func (s *finalSlot) reserve() error {
	s.state, s.rec = finalNone, record{}
	if _, err := s.file.WriteAt(make([]byte, slotSize), 0); err != nil {
		return err
	}
	return s.file.Sync()
}

func (s *finalSlot) read() error {
	mark := make([]byte, markSize)
	if _, err := s.file.ReadAt(mark, 0); err != nil {
		return err
	}
	if [8]byte(mark[:8]) == [8]byte{} {
		return nil
	}
	seq, state := binary.BigEndian.Uint64(mark[8:]), mark[16:17]
	if [8]byte(mark[:8]) != slotMagic || !s.seal.holds(mark[17:], "mark", seq, state) {
		return fmt.Errorf("%w: the final message's mark", spool.ErrDamaged)
	}
	b, err := io.ReadAll(io.NewSectionReader(s.file, slotBlock, slotSize+2*MaxMessageBytes))
	if err != nil {
		return err
	}
	raw, err := spool.Decode(b)
	if err == nil && raw.Seq != seq {
		err = fmt.Errorf("%w: the final message is not the one of its mark", spool.ErrDamaged)
	}
	if err != nil {
		return err
	}
	rec, err := s.seal.decode(raw, asFinal)
	if err != nil {
		return err
	}
	s.state, s.rec = finalState(state[0]), rec
	return nil
}

// write stores the final message. One that is larger than the reserved place
// makes the file grow, which a full disk refuses.
func (s *finalSlot) write(r record) error {
	raw, err := s.seal.encode(r, asFinal)
	if err != nil {
		return err
	}
	if _, err := s.file.WriteAt(spool.Encode(raw), slotBlock); err != nil {
		return fmt.Errorf("storing the final message: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("storing the final message: %w", err)
	}
	return s.mark(r, finalStored)
}

// mark sets what has become of the message.
func (s *finalSlot) mark(r record, state finalState) error {
	b := make([]byte, 0, markSize)
	b = append(b, slotMagic[:]...)
	b = binary.BigEndian.AppendUint64(b, r.seq)
	b = append(b, byte(state))
	b = append(b, s.seal.sum("mark", r.seq, b[16:17])...)
	if _, err := s.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("marking the final message: %w", err)
	}
	s.state, s.rec = state, r
	return s.file.Sync()
}

// clear empties the slot for a new run of the job.
func (s *finalSlot) clear() error {
	s.state, s.rec = finalNone, record{}
	if _, err := s.file.WriteAt(make([]byte, markSize), 0); err != nil {
		return fmt.Errorf("clearing the final message: %w", err)
	}
	return s.file.Sync()
}

func (s *finalSlot) close() error {
	if err := s.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

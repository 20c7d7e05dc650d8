// A side of the peer in Go: messages behind a length of four bytes, over mutual TLS 1.3, through a bufio of 64 KiB, and
// each message in a slice of its own. Answers the same calls as ../../side.js, lines of JSON on descriptor 3.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

const (
	bufferLength   = 64 * 1024
	maxLength      = 16 * 1024 * 1024
	arrivalTimeout = 10 * time.Second
	ringBytes      = 1024 * 1024
	maxRingLength  = 251
	batchBytes     = 16 * 1024
	maxBatch       = 32
	finalTag       = 0xffff
	compareBytes   = 16 * 1024 * 1024
	compareAtLeast = 1024
)

type pemFiles struct{ Key, Cert, Ca string }

type argument struct {
	Setting struct {
		Credentials struct{ Server, Client pemFiles }
	}
	Port  int
	Size  int
	Ms    float64
	Count int
}

type figures map[string]any

type side struct {
	conns      chan *tls.Conn
	reader     *bufio.Reader
	writer     *bufio.Writer
	header     [4]byte
	ended      chan outcome
	cpuAtStart float64
}

type outcome struct {
	count   int
	endedAt float64
	cpu     float64
	err     error
}

func main() {
	parent := os.NewFile(3, "parent")
	lines := bufio.NewReader(parent)
	answers := json.NewEncoder(parent)
	s := &side{}
	calls := map[string]func(argument) (any, error){
		"listen": s.listen, "connect": s.connect, "arrived": s.arrived,
		"receive": s.receive, "received": s.received, "send": s.send, "sent": s.sent,
	}
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var call struct {
			Id       int
			Name     string
			Argument argument
		}
		if err := json.Unmarshal(line, &call); err != nil {
			panic(err)
		}
		// The end of the parent must be seen while a call is under way.
		go func() {
			answer := figures{"id": call.Id}
			if run := calls[call.Name]; run == nil {
				answer["error"] = call.Name + " is not known to it"
			} else if result, err := run(call.Argument); err != nil {
				answer["error"] = err.Error()
			} else {
				answer["result"] = result
			}
			if err := answers.Encode(answer); err != nil {
				os.Exit(1)
			}
		}()
	}
}

func (s *side) listen(a argument) (any, error) {
	files := a.Setting.Credentials.Server
	config, pool, err := configOf(files)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = pool
	config.ClientAuth = tls.RequireAndVerifyClientCert
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	s.conns = make(chan *tls.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil && conn.(*tls.Conn).Handshake() == nil {
			s.conns <- conn.(*tls.Conn)
		}
	}()
	return figures{"port": listener.Addr().(*net.TCPAddr).Port}, nil
}

func (s *side) arrived(argument) (any, error) {
	select {
	case conn := <-s.conns:
		s.open(conn)
		return nil, nil
	case <-time.After(arrivalTimeout):
		return nil, errors.New("no connection arrived")
	}
}

func (s *side) connect(a argument) (any, error) {
	config, pool, err := configOf(a.Setting.Credentials.Client)
	if err != nil {
		return nil, err
	}
	config.RootCAs = pool
	config.ServerName = "localhost"
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", a.Port), config)
	if err != nil {
		return nil, err
	}
	s.open(conn)
	return figures{"cipher": tls.CipherSuiteName(conn.ConnectionState().CipherSuite)}, nil
}

func (s *side) open(conn *tls.Conn) {
	s.reader = bufio.NewReaderSize(conn, bufferLength)
	s.writer = bufio.NewWriterSize(conn, bufferLength)
}

func configOf(files pemFiles) (*tls.Config, *x509.CertPool, error) {
	certificate, err := tls.X509KeyPair([]byte(files.Cert), []byte(files.Key))
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files.Ca)) {
		return nil, nil, errors.New("the authority's certificate can't be read")
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, pool, nil
}

// Sends at full speed for a.Ms; the last message says how many went before it.
func (s *side) send(a argument) (any, error) {
	ring := ringOf(a.Size)
	batch := max(1, min(maxBatch, batchBytes/a.Size))
	runtime.GC()
	s.cpuAtStart = cpu()
	startedAt := now()
	deadline := time.Now().Add(time.Duration(a.Ms * float64(time.Millisecond)))
	count, next := 0, 0
	for time.Now().Before(deadline) {
		for left := batch; left > 0; left-- {
			if err := s.write(ring[next]); err != nil {
				return nil, err
			}
			count++
			if next++; next == len(ring) {
				next = 0
			}
		}
	}
	if err := s.write(finalMessage(a.Size, count)); err != nil {
		return nil, err
	}
	if err := s.writer.Flush(); err != nil {
		return nil, err
	}
	return figures{"count": count, "startedAt": startedAt}, nil
}

func (s *side) write(message []byte) error {
	binary.BigEndian.PutUint32(s.header[:], uint32(len(message)))
	if _, err := s.writer.Write(s.header[:]); err != nil {
		return err
	}
	_, err := s.writer.Write(message)
	return err
}

func (s *side) sent(argument) (any, error) {
	return figures{"cpu": cpu() - s.cpuAtStart}, nil
}

func (s *side) receive(a argument) (any, error) {
	runtime.GC()
	s.ended = make(chan outcome, 1)
	check := newCheck(a.Size)
	cpuAtStart := cpu()
	go func() {
		err := s.readAll(check)
		s.ended <- outcome{check.count, now(), cpu() - cpuAtStart, err}
	}()
	return nil, nil
}

func (s *side) readAll(check *check) error {
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(s.reader, header); err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(header)
		if length > maxLength {
			return fmt.Errorf("a message of %d bytes came", length)
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(s.reader, message); err != nil {
			return err
		}
		if isLast, err := check.take(message); isLast || err != nil {
			return err
		}
	}
}

func (s *side) received(a argument) (any, error) {
	end := <-s.ended
	if end.err != nil {
		return nil, end.err
	}
	if end.count != a.Count {
		return nil, fmt.Errorf("%d messages came of %d", end.count, a.Count)
	}
	return figures{"endedAt": end.endedAt, "cpu": end.cpu}, nil
}

// Sees that each message of a turn arrives whole, in order, and once, as MessageCheck of messages.js does.
type check struct {
	count, size, next, every int
	ring                     [][]byte
}

func newCheck(size int) *check {
	every := min(compareAtLeast, (compareBytes+size-1)/size)
	return &check{size: size, ring: ringOf(size), every: every}
}

func (c *check) take(message []byte) (isLast bool, err error) {
	if len(message) != c.size {
		return false, fmt.Errorf("a message of %d bytes came instead of %d", len(message), c.size)
	}
	tag := int(binary.LittleEndian.Uint16(message))
	if tag != c.next {
		if tag != finalTag {
			return false, fmt.Errorf("message %d has tag %d instead of %d", c.count, tag, c.next)
		}
		if sent := int(binary.LittleEndian.Uint32(message[2:])); sent != c.count {
			return false, fmt.Errorf("%d messages came of %d", c.count, sent)
		}
		return true, nil
	}
	if c.count%c.every == 0 && !bytes.Equal(message, c.ring[tag]) {
		return false, fmt.Errorf("message %d has other bytes than those that were sent", c.count)
	}
	c.count++
	if c.next++; c.next == len(c.ring) {
		c.next = 0
	}
	return false, nil
}

var rings = map[int][][]byte{}

// Messages of one size: each begins with its number in the ring, the rest is noise. Both sides make the same.
func ringOf(size int) [][]byte {
	ring := rings[size]
	if ring == nil {
		ring = make([][]byte, max(2, min(maxRingLength, ringBytes/size)))
		for index := range ring {
			ring[index] = noise(size, uint32(index+1))
			binary.LittleEndian.PutUint16(ring[index], uint16(index))
		}
		rings[size] = ring
	}
	return ring
}

func finalMessage(size, count int) []byte {
	message := make([]byte, size)
	binary.LittleEndian.PutUint16(message, finalTag)
	binary.LittleEndian.PutUint32(message[2:], uint32(count))
	return message
}

// Xorshift: the two sides are of one program, so theirs need not be the noise of messages.js.
func noise(length int, seed uint32) []byte {
	bytes := make([]byte, length)
	state := seed * 2654435761
	for index := range bytes {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		bytes[index] = byte(state)
	}
	return bytes
}

// Milliseconds of a clock that both sides share.
func now() float64 {
	return float64(time.Now().UnixNano()) / 1e6
}

// Microseconds of processor time of all threads.
func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

package dashboard

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/internal/regular"
)

// certificateFile is the name of the file in a home that holds a certificate made by LoadCertificate,
// and its key.
const certificateFile = "dashboard.pem"

// A certificate is valid for a year, the longest that browsers accept, and is renewed a month before
// its end.
const (
	certificateLife  = 365 * 24 * time.Hour
	certificateRenew = 30 * 24 * time.Hour
)

// LoadCertificate returns the certificate of the home in the folder dir for names and addresses. It
// makes one, signed by itself, if there is none that is valid for them. The errors are those of
// LoadKey.
func LoadCertificate(dir string, hosts []string) (*tls.Certificate, error) {
	file := filepath.Join(dir, certificateFile)
	b, err := regular.ReadHere(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := checkPrivate(file); err != nil {
			return nil, err
		}
		cert, err := tls.X509KeyPair(b, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove it, and a new one is made", file, err)
		}
		if valid(cert.Leaf, hosts) {
			return &cert, nil
		}
	}
	if b, err = selfSigned(hosts); err != nil {
		return nil, err
	}
	if err := replacePrivate(file, b); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(b, b)
	return &cert, err
}

func valid(c *x509.Certificate, hosts []string) bool {
	return time.Until(c.NotAfter) > certificateRenew && !slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil })
}

func selfSigned(hosts []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "QueueMe dashboard"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...), nil
}

// Fingerprint returns the SHA-256 of a certificate as browsers show it.
func Fingerprint(cert *tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

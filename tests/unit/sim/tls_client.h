// SPDX-License-Identifier: Apache-2.0
// A client of OpenSSL on memory BIOs: it speaks and hears bytes.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/sim/authority.h"

namespace steppe::sim::test {

class TlsClient {
 public:
  // key_groups: in OpenSSL's words, with a share for the first; "": as OpenSSL has it.
  TlsClient(int least, int most, const std::string& name, const char* key_groups = "")
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_min_proto_version(context_.get(), least);
    SSL_CTX_set_max_proto_version(context_.get(), most);
    ssl_ = {SSL_new(context_.get()), SSL_free};
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    if (*key_groups != 0) SSL_set1_groups_list(ssl_.get(), key_groups);
    if (!name.empty()) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
    go_on();
  }
  // What it has said since the last time.
  Bytes said() {
    Bytes bytes(static_cast<size_t>(BIO_pending(out_)));
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  // 1: the handshake is complete; 0: it wants more; -1: it has failed.
  int hear(std::span<const uint8_t> bytes) {
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    return go_on();
  }
  SSL* ssl() { return ssl_.get(); }
  std::vector<Bytes> peer_chain() {
    std::vector<Bytes> chain;
    STACK_OF(X509)* const certificates = SSL_get_peer_cert_chain(ssl_.get());
    for (int i = 0; certificates != nullptr && i < sk_X509_num(certificates); ++i) {
      unsigned char* der = nullptr;
      const int size = i2d_X509(sk_X509_value(certificates, i), &der);
      chain.emplace_back(der, der + size);
      OPENSSL_free(der);
    }
    return chain;
  }

 private:
  int go_on() {
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return 1;
    return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ ? 0 : -1;
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
  BIO *in_ = nullptr, *out_ = nullptr;
};

}  // namespace steppe::sim::test

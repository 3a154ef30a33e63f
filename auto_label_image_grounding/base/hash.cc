#include "auto_label_image_grounding/base/hash.h"

#include <array>

#include <fmt/core.h>
#include <openssl/evp.h>

#include "auto_label_image_grounding/base/files.h"

namespace alig {

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{EVP_MD_CTX_new(),
                                                                 &EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  // Found once: EVP_sha256() makes OpenSSL 3 look for an implementation each time.
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_DigestInit_ex(context_->digest.get(), kSha256, nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&& other) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept = default;

void Sha256::add(std::string_view bytes) {
  EVP_DigestUpdate(context_->digest.get(), bytes.data(), bytes.size());
}

std::string Sha256::finish_hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_->digest.get(), digest.data(), &length);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < length; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish_hex();
}

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  Sha256 hash;
  auto status = read_in_blocks(path, [&](std::string_view bytes) -> Status {
    hash.add(bytes);
    return {};
  });
  if (!status) return tl::unexpected(status.error());
  return hash.finish_hex();
}

FieldHasher& FieldHasher::add(std::string_view field) {
  fields_ += fmt::format("{}:", field.size());
  fields_ += field;
  return *this;
}

}  // namespace alig

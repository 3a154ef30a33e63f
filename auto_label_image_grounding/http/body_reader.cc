#include "auto_label_image_grounding/http/body_reader.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace alig {
namespace {

// Raw bytes encoded in one go; a multiple of 3, so that padding occurs at the end alone.
constexpr std::size_t kRawBlock = 96 * 1024;

tl::unexpected<TransportFault> fault(TransportFault::Kind kind, std::string message) {
  return tl::unexpected<TransportFault>(TransportFault{kind, std::move(message)});
}

tl::unexpected<TransportFault> file_fault(const std::filesystem::path& path, int error) {
  // Running out of descriptors is a matter of load, not of this image: it may be tried again.
  const bool passing = error == EMFILE || error == ENFILE || error == ENOMEM;
  return fault(
      passing ? TransportFault::Kind::kOther : TransportFault::Kind::kLocalFile,
      fmt::format("cannot read {}: {}", path.string(), std::generic_category().message(error)));
}

tl::unexpected<TransportFault> changed(const Base64File& file, std::uint64_t size_now) {
  return fault(TransportFault::Kind::kLocalFile,
               fmt::format("{} changed while it waited to be sent: {} bytes now, {} before",
                           file.path.string(), size_now, file.size));
}

}  // namespace

tl::expected<std::size_t, TransportFault> BodyReader::read(std::span<char> out) {
  std::size_t filled = 0;
  while (filled < out.size() && part_ < body_.size()) {
    Progress piece = read_part(out.subspan(filled));
    if (!piece) return piece;
    if (*piece == 0) {
      close_file();
      ++part_;
      offset_ = 0;
    }
    filled += *piece;
  }
  return filled;
}

// 0 means that the part is finished.
BodyReader::Progress BodyReader::read_part(std::span<char> out) {
  if (const auto* text = std::get_if<std::string>(&body_[part_])) return read_text(*text, out);
  return read_base64(out);
}

BodyReader::Progress BodyReader::read_text(std::string_view text, std::span<char> out) {
  const std::string_view rest = text.substr(static_cast<std::size_t>(offset_));
  std::size_t count = std::min(rest.size(), out.size());
  std::copy_n(rest.data(), count, out.data());
  offset_ += count;
  return count;
}

BodyReader::Progress BodyReader::read_base64(std::span<char> out) {
  if (carry_begin_ < 4) return take_carry(out);
  // EVP_EncodeBlock writes a NUL after its output, which needs room.
  const std::size_t groups = std::min((out.size() - 1) / 4, kRawBlock / 3);
  std::array<unsigned char, kRawBlock> raw;
  Progress count = read_raw(std::span(raw).first(std::max<std::size_t>(groups, 1) * 3));
  if (!count) return count;
  if (*count == 0) return std::size_t{0};
  char* target = groups == 0 ? carry_.data() : out.data();
  const int encoded = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(target), raw.data(),
                                      static_cast<int>(*count));
  if (groups > 0) return static_cast<std::size_t>(encoded);
  carry_begin_ = 0;
  return take_carry(out);
}

std::size_t BodyReader::take_carry(std::span<char> out) {
  const std::size_t count = std::min(out.size(), 4 - carry_begin_);
  std::copy_n(carry_.data() + carry_begin_, count, out.data());
  carry_begin_ += count;
  return count;
}

BodyReader::Progress BodyReader::read_raw(std::span<unsigned char> raw) {
  if (const auto* file = std::get_if<Base64File>(&body_[part_])) return read_raw_file(*file, raw);
  const auto& bytes = std::get<Base64Bytes>(body_[part_]).bytes;
  if (bytes == nullptr) return std::size_t{0};
  const std::size_t count =
      std::min<std::size_t>(raw.size(), bytes->size() - static_cast<std::size_t>(offset_));
  std::memcpy(raw.data(), bytes->data() + offset_, count);
  offset_ += count;
  return count;
}

BodyReader::Progress BodyReader::read_raw_file(const Base64File& file,
                                               std::span<unsigned char> raw) {
  if (fd_ < 0) {
    if (auto opened = open_file(file); !opened) return tl::unexpected(opened.error());
  }
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(raw.size(), file.size - offset_));
  std::size_t count = 0;
  while (count < wanted) {
    const ssize_t got = ::read(fd_, raw.data() + count, wanted - count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_fault(file.path, errno);
    if (got == 0) return changed(file, offset_ + count);
    count += static_cast<std::size_t>(got);
  }
  offset_ += count;
  return count;
}

tl::expected<void, TransportFault> BodyReader::open_file(const Base64File& file) {
  // O_NONBLOCK: a path that turned into a pipe must not hold up the I/O thread.
  fd_ = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) return file_fault(file.path, errno);
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return file_fault(file.path, errno);
  if (!S_ISREG(status.st_mode)) return file_fault(file.path, EINVAL);
  const auto size_now = static_cast<std::uint64_t>(status.st_size);
  if (size_now != file.size) return changed(file, size_now);
  return {};
}

void BodyReader::close_file() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace alig

#include "auto_label_image_grounding/http/body_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test_support.h"

namespace alig {
namespace {

using testing::noise;
using testing::slow_base64;

tl::expected<std::string, TransportFault> drain(BodyReader& reader, std::size_t capacity) {
  std::string out;
  std::vector<char> buffer(capacity);
  for (;;) {
    const auto count = reader.read(buffer);
    if (!count) return tl::unexpected(count.error());
    out.append(buffer.data(), *count);
    if (*count < capacity) return out;
  }
}

Base64Bytes in_memory(std::string bytes) {
  return {std::make_shared<const std::string>(std::move(bytes))};
}

TEST(BodyReader, GivesTheSameBytesWhateverTheBufferSize) {
  const TemporaryFolder folder;
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 50U, 100U}) {
    const std::string image = noise(size, 7);
    const RequestBody body = {"{\"a\":\"",   Base64File{folder.write("p", image), size},
                              "\",\"b\":\"", in_memory(image),
                              std::string(), Base64Bytes{},
                              "\"}"};
    const std::string encoded = slow_base64(image);
    const std::string expected = "{\"a\":\"" + encoded + "\",\"b\":\"" + encoded + "\"}";
    EXPECT_EQ(body_size(body), expected.size()) << size;
    for (std::size_t capacity = 1; capacity < expected.size() + 3; ++capacity) {
      BodyReader reader(body);
      EXPECT_EQ(drain(reader, capacity).value(), expected)
          << "image of " << size << " bytes, buffer of " << capacity;
    }
  }
}

TEST(BodyReader, EncodesImagesLargerThanItsBlock) {
  const TemporaryFolder folder;
  for (const std::size_t size : {24575U, 24576U, 24577U, 1000001U}) {
    const std::string image = noise(size, 3);
    const RequestBody body = {Base64File{folder.write("p", image), size}};
    for (const std::size_t capacity : {16384U, 32768U, 65536U, 2000000U}) {
      BodyReader reader(body);
      EXPECT_EQ(drain(reader, capacity).value(), slow_base64(image)) << size << ' ' << capacity;
    }
  }
}

TEST(BodyReader, GoesOnFromAnywhere) {
  const TemporaryFolder folder;
  const std::string image = noise(50, 1);
  const RequestBody body = {"head", Base64File{folder.write("p", image), 50}, in_memory(image)};
  const std::string whole = "head" + slow_base64(image) + slow_base64(image);
  for (std::size_t before = 0; before <= whole.size(); ++before) {
    BodyReader reader(body);
    std::vector<char> buffer(before);
    ASSERT_EQ(reader.read(buffer), before);
    EXPECT_EQ(std::string(buffer.begin(), buffer.end()) + drain(reader, 1000).value(), whole)
        << before;
  }
}

TEST(BodyReader, RefusesAImageThatIsNotTheDescribedOne) {
  const TemporaryFolder folder;
  const auto path = folder.write("p.jpg", "12345678");
  struct Case {
    const char* what;
    Base64File file;
    const char* message;
  };
  const Case cases[] = {
      {"vanished", {folder.path() / "gone.jpg", 8}, "No such file"},
      {"truncated", {path, 9}, "changed while it waited to be sent: 8 bytes now, 9 before"},
      {"grown", {path, 7}, "8 bytes now, 7 before"},
      {"emptied", {folder.write("e", ""), 7}, "0 bytes now, 7 before"},
      {"a folder", {folder.path(), 4096}, "cannot read"},
      {"filled after it was empty", {path, 0}, "8 bytes now, 0 before"},
  };
  for (const Case& c : cases) {
    const RequestBody body = {"text", c.file};
    BodyReader reader(body);
    const auto result = drain(reader, 1000);
    ASSERT_FALSE(result) << c.what;
    EXPECT_EQ(result.error().kind, TransportFault::Kind::kLocalFile) << c.what;
    EXPECT_NE(result.error().message.find(c.message), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find(c.file.path.string()), std::string::npos) << c.what;
  }
}

TEST(BodyReader, NoticesAFileThatShrinksWhileItIsRead) {
  const TemporaryFolder folder;
  const auto path = folder.write("p", noise(100000, 1));
  const RequestBody body = {Base64File{path, 100000}};
  BodyReader reader(body);
  std::vector<char> buffer(1000);
  ASSERT_TRUE(reader.read(buffer));
  std::filesystem::resize_file(path, 2000);
  const auto rest = drain(reader, 1000);
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().kind, TransportFault::Kind::kLocalFile);
}

}  // namespace
}  // namespace alig

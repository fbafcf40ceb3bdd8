// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "engine/plan/operator_error.h"
#include "modules/outputs/outputs.h"

namespace steppe {
namespace {

const Row row = {
    {"host", "192.0.2.1"},
    {"sni", "a \"quoted\", name"},
    {"issuer", nullptr},
    {"control", false},
    {"asn", 9198},
    {"evidence",
     {{"key", "rsa-2048 e=3"}, {"extensions_removed", {"keyUsage", "certificatePolicies"}}}},
    {"changes", {{{"round", 1}}}},
};

std::string written(std::string_view module_name, std::vector<std::string> paths) {
  const OutputModule& module = output_module(module_name);
  std::string text;
  module.begin(text, paths);
  module.row(text, paths, row);
  module.end(text);
  return text;
}

TEST(Csv, HasAHeaderAndQuotesAsRfc4180Does) {
  EXPECT_EQ(written("csv", {"host", "sni", "asn"}),
            "host,sni,asn\n192.0.2.1,\"a \"\"quoted\"\", name\",9198\n");
}

TEST(Csv, QuotesLineBreaks) {
  std::string text;
  const std::vector<std::string> paths = {"a"};
  output_module("csv").row(text, paths, Row{{"a", "one\r\ntwo"}});
  EXPECT_EQ(text, "\"one\r\ntwo\"\n");
}

TEST(Csv, NullAndMissingAreEmpty) {
  EXPECT_EQ(written("csv", {"issuer", "control", "evidence.nothing"}),
            "issuer,control,evidence.nothing\n,false,\n");
}

TEST(Csv, ListsArePartedBySpacesObjectsStayJson) {
  EXPECT_EQ(written("csv", {"evidence.extensions_removed", "changes"}),
            "evidence.extensions_removed,changes\n"
            "keyUsage certificatePolicies,\"[{\"\"round\"\":1}]\"\n");
}

TEST(Jsonl, IsTheRowInItsOrder) {
  EXPECT_EQ(written("jsonl", {}),
            "{\"host\":\"192.0.2.1\",\"sni\":\"a \\\"quoted\\\", name\",\"issuer\":null,"
            "\"control\":false,\"asn\":9198,\"evidence\":{\"key\":\"rsa-2048 e=3\","
            "\"extensions_removed\":[\"keyUsage\",\"certificatePolicies\"]},"
            "\"changes\":[{\"round\":1}]}\n");
}

TEST(Jsonl, ChosenFieldsKeepTheirNesting) {
  EXPECT_EQ(written("jsonl", {"asn", "evidence.key", "issuer"}),
            "{\"asn\":9198,\"evidence\":{\"key\":\"rsa-2048 e=3\"},\"issuer\":null}\n");
}

// A forged certificate may hold any bytes in its names; an exception here would end the export in
// the middle.
TEST(Jsonl, BytesThatAreNotUtf8AreReplaced) {
  std::string text;
  output_module("jsonl").row(text, {}, Row{{"issuer", "CN=\xff\xfe"}});
  EXPECT_TRUE(Row::accept(text));
  EXPECT_NE(text.find("\xef\xbf\xbd"), std::string::npos);
}

TEST(OutputModules, AnUnknownOneNamesTheKnown) {
  try {
    output_module("xml");
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_STREQ(error.what(), "no output module \"xml\": there are jsonl, csv");
  }
}

constexpr Field fields[] = {{"host", FieldType::text, true}, {"asn", FieldType::number, true}};

TEST(Fields, AreParsedInOrder) {
  EXPECT_EQ(parse_fields("asn, host", fields), (std::vector<std::string>{"asn", "host"}));
  EXPECT_EQ(parse_fields("*", fields), (std::vector<std::string>{"host", "asn"}));
}

TEST(Fields, UnknownRepeatedAndEmptyOnesAreRefused) {
  try {
    parse_fields("host,as", fields);
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_STREQ(error.what(), "no field \"as\": the fields are host, asn");
  }
  EXPECT_THROW(parse_fields("host,host", fields), OperatorError);
  EXPECT_THROW(parse_fields("host,", fields), OperatorError);
  EXPECT_THROW(parse_fields("", fields), OperatorError);
}

}  // namespace
}  // namespace steppe

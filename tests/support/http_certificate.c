#include "http_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static bool add_extension(X509 *certificate, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 24L * 3600) &&
           X509_set_pubkey(certificate, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1",
                                      -1, -1, 0) &&
           X509_set_issuer_name(certificate, name) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1") &&
           X509_sign(certificate, key, EVP_sha256());
}

bool http_certificate_write(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    FILE *file = fopen(path, "w");
    bool good = key && certificate && file && fill(certificate, key) &&
                PEM_write_X509(file, certificate) &&
                PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    if (file && fclose(file))
        good = false;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}
